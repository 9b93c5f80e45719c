"""A Telegram bot that remembers and reminds, by aiogram.

    TELEGRAM_TOKEN=… python examples/aiogram_bot.py

It does what telegram_bot.py does: answers with its memory, reminds, and follows edits.
"""

import asyncio
import os
from contextlib import suppress

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramForbiddenError, TelegramRetryAfter
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from omega_models import AsyncStore, IncomingMessage
from omega_worker import Delivery, DeliveryError, Worker

handlers = Dispatcher()


@handlers.message(Command("remind"))
async def on_remind(message: Message, command: CommandObject, store: AsyncStore) -> None:
    due, _, words = (command.args or "").partition(" ")
    try:
        task = await store.add_task("telegram", message.from_user.id, message.chat.id, words, due)
        await message.answer(f"I will remind you: {task.scheduled_for:%d %B %Y %H:%M} UTC")
    except ValueError as error:  # says what to do
        await message.answer(str(error))


@handlers.message(F.text)
async def on_message(message: Message, store: AsyncStore) -> None:
    incoming = IncomingMessage(
        "telegram",
        message.from_user.id,
        message.text,
        sender_name=message.from_user.full_name,
        reply_target=message.chat.id,
        platform_message_id=message.message_id,
        is_group=message.chat.type != "private",
    )
    async with store.exchange(incoming, "You are a kind assistant.") as turn:
        if not turn.answered:
            turn.reply(f"You said: {turn.context.current_message}")  # ask your model here
            await message.answer(turn.text)


@handlers.edited_message(F.text)
async def on_edit(message: Message, store: AsyncStore) -> None:
    await store.edit_message("telegram", message.message_id, message.text, reply_target=message.chat.id)


async def serve(bot: Bot, store: AsyncStore) -> None:
    async def send(delivery: Delivery) -> str:
        try:
            return str((await bot.send_message(delivery.reply_target, delivery.text)).message_id)
        except TelegramRetryAfter as error:
            raise DeliveryError("too many messages", retry_after=error.retry_after) from error
        except TelegramForbiddenError as error:
            raise DeliveryError("the bot was blocked", retry=False) from error

    async with store, Worker(store, {"telegram": send}):
        await handlers.start_polling(bot, store=store)


if __name__ == "__main__":
    server = os.environ.get("TELEGRAM_API")  # one of your own
    session = AiohttpSession(api=TelegramAPIServer.from_base(server)) if server else None
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(Bot(os.environ["TELEGRAM_TOKEN"], session=session), AsyncStore("memory.db")))
