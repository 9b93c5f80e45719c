"""Where reminders go: one seam, and the channels this installation brings along."""

from omega_worker.channels.seam import Channel, as_channel

__all__ = ["Channel", "as_channel"]
