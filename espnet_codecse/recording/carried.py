"""What an output takes over from its recording besides the sound: tags and the channel mask."""

from dataclasses import dataclass

from espnet_codecse.container.audio_file import AudioFile
from espnet_codecse.container.extras import stored_texts
from espnet_codecse.recording.formats import AudioFormat

MASKED = ("WAVEX", "RF64")  # formats with a channel mask


@dataclass(frozen=True)
class Carried:
    """What the outputs take over.

    Attributes:
        texts: title, artist and other tags, ``(name, text)``.
        channel_mask: which loudspeaker each channel is for, as an extensible wav says it; 0: the usual ones.
        not_kept: names of what the recording carries and the outputs do not.
    """

    texts: tuple[tuple[str, str], ...] = ()
    channel_mask: int = 0
    not_kept: tuple[str, ...] = ()

    def into(self, form: AudioFormat, rate: int, num_channels: int) -> "Carried":
        """Return what a format can hold of it, at a rate in Hz and with a number of channels."""
        known = stored_texts(form.name, form.subtype, rate, num_channels)
        texts = tuple((name, text) for name, text in self.texts if name in known)
        not_kept = list(self.not_kept)
        if len(texts) < len(self.texts):
            not_kept.append("tags")
        mask = self.channel_mask if form.name in MASKED else 0
        # For one and two channels there is hardly a choice, and other formats take mono and stereo for granted.
        if mask != self.channel_mask and num_channels > 2:
            not_kept.append("channel mask")
        return Carried(texts, mask, tuple(not_kept))


def carried_by(file: AudioFile, mono: bool) -> Carried:
    """Return what a recording carries; averaged channels have no mask."""
    return Carried(tuple(file.texts.items()), 0 if mono else file.channel_mask, tuple(file.extras()))
