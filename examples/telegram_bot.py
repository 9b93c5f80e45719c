"""A Telegram bot that remembers and reminds, by python-telegram-bot.

    TELEGRAM_TOKEN=… python examples/telegram_bot.py

`/remind 2030-03-01T09:00 Call John` is sent when it falls due, by a worker inside the bot. A message that
Telegram delivers twice is answered once, and an edited message is remembered as edited.
"""

import asyncio
import os
from contextlib import suppress

from telegram import Message, Update
from telegram.error import Forbidden, TimedOut
from telegram.ext import Application, CommandHandler, ContextTypes, MessageHandler, filters

from omega_models import AsyncStore, IncomingMessage
from omega_worker import Delivery, DeliveryError, Worker


def incoming(message: Message) -> IncomingMessage:
    return IncomingMessage(
        "telegram",
        message.from_user.id,
        message.text,
        sender_name=message.from_user.full_name,
        reply_target=message.chat_id,
        platform_message_id=message.id,
        is_group=message.chat.type != message.chat.PRIVATE,
    )


async def serve(bot: Application, store: AsyncStore) -> None:
    async def on_message(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        async with store.exchange(incoming(update.message), "You are a kind assistant.") as turn:
            if not turn.answered:
                turn.reply(f"You said: {turn.context.current_message}")  # ask your model here
                await update.message.reply_text(turn.text)

    async def on_edit(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.edited_message
        await store.edit_message("telegram", message.id, message.text, reply_target=message.chat_id)

    async def on_remind(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        (due, *words), sender = context.args or [""], update.message.from_user.id
        try:
            task = await store.add_task("telegram", sender, update.message.chat_id, " ".join(words), due)
            await update.message.reply_text(f"I will remind you: {task.scheduled_for:%d %B %Y %H:%M} UTC")
        except ValueError as error:  # says what to do
            await update.message.reply_text(str(error))

    async def send(delivery: Delivery) -> str:
        try:
            return str((await bot.bot.send_message(delivery.reply_target, delivery.text)).id)
        except Forbidden as error:
            raise DeliveryError("the bot was blocked", retry=False) from error
        except TimedOut as error:
            raise DeliveryError("no answer", ambiguous=True) from error

    bot.add_handler(CommandHandler("remind", on_remind, filters.UpdateType.MESSAGE))
    bot.add_handler(MessageHandler(filters.TEXT & filters.UpdateType.MESSAGE, on_message))
    bot.add_handler(MessageHandler(filters.TEXT & filters.UpdateType.EDITED_MESSAGE, on_edit))
    async with store, bot, Worker(store, {"telegram": send}):
        await bot.start()
        await bot.updater.start_polling()
        try:
            await asyncio.Event().wait()  # until Ctrl-C
        finally:
            await bot.updater.stop()
            await bot.stop()


if __name__ == "__main__":
    builder = Application.builder().token(os.environ["TELEGRAM_TOKEN"])
    if "TELEGRAM_API" in os.environ:  # a server of your own
        builder.base_url(os.environ["TELEGRAM_API"] + "/bot")
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(builder.build(), AsyncStore("memory.db")))
