"""Progress of long work on stderr."""

import sys


class Progress:
    """A tqdm bar on a terminal; elsewhere (a log file) one line for every tenth of the work.

    Args:
        total: number of items.
        description: what the progress is called.
        done: items that an earlier run did.
    """

    def __init__(self, total: int, description: str, done: int = 0):
        self.total, self.description, self.count = total, description, done
        self.bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=total, initial=done, desc=description, leave=False)

    def update(self, number: int) -> None:
        """Count ``number`` more items."""
        before = self.count * 10 // max(self.total, 1)
        self.count += number
        if self.bar is not None:
            self.bar.update(number)
        elif self.count * 10 // max(self.total, 1) > before:
            print(f"{self.description}: {self.count}/{self.total}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
