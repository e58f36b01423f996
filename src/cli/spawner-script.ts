/**
 * The spawner's program. In Python, because that has what Node has not: posix_spawn, which copies nothing.
 *
 * On descriptor 3 it reads requests: words with NULs between them, behind their length. The first one is the
 * environment of all commands. Then `run`, with the payload's path, how many words of argv, argv, and names
 * and values for this command alone; and `kill`, with a number, for the group of the one that was run last. Where
 * there are no more it ends. It answers with a letter, a length and a body:
 *
 *   H        it is there
 *   E bytes  of the command's stderr
 *   X status it has ended, as wait(2) says it
 *   N        it could not be run
 *   S        somebody asks us to stop: for a command we are `work`, because we are its parent
 */

/**
 * What runs it. Not by the PATH, where there may be a script that takes long to find the real one; and not on
 * macOS, where this is a program that offers to install Python.
 */
export const PYTHON = process.platform === "linux" ? "/usr/bin/python3" : undefined;

export const SCRIPT = String.raw`# spool work: spawner
import os, select, signal, time

WORK = 3
STDERR_GRACE = 0.2  # how long what a command left behind may hold its stderr open, in s

received = b""


def receive():
    global received
    more = os.read(WORK, 65536)
    if not more:
        os._exit(0)
    received += more


def request():
    """The words of the first request that has come whole, or None."""
    global received
    end = 4 + int.from_bytes(received[:4], "big")
    if len(received) < max(4, end):
        return None
    body, received = received[4:end], received[end:]
    return body.split(b"\0")


def tell(letter, body=b""):
    frame = letter + len(body).to_bytes(4, "big") + body
    while frame:
        frame = frame[os.write(WORK, frame):]


def pairs(words):
    return dict(zip(words[::2], words[1::2]))


class Command:
    """A command in a process group of its own, and its stderr."""

    def __init__(self, common, payload, count, *words):
        argv, own = words[:int(count)], words[int(count):]
        self.stderr, into_stderr = os.pipe()
        files = [
            (os.POSIX_SPAWN_OPEN, 0, payload, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, into_stderr, 2),
        ]
        env = {**common, **pairs(own)}
        try:
            self.pid = os.posix_spawnp(argv[0], argv, env, file_actions=files, setpgroup=0)
        except Exception:
            os.close(self.stderr)
            raise
        finally:
            os.close(into_stderr)
        self.status = None
        self.sources = [self.stderr]
        self.ends = None

    def left(self):
        """How long to wait for it, in s; None where it still runs."""
        return self.ends and max(0, self.ends - time.monotonic())

    def is_over(self, ready):
        if self.stderr in ready:
            said = os.read(self.stderr, 65536)
            if said:
                tell(b"E", said)
            else:
                self.sources = []
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.status, self.ends = status, time.monotonic() + STDERR_GRACE
        if self.sources and self.left() > 0:
            return False
        os.close(self.stderr)
        return True

    def kill(self, number):
        try:
            os.killpg(self.pid, number)
        except OSError:
            pass  # it has ended


def main():
    os.set_inheritable(WORK, False)
    # A signal is a byte in this pipe: so none comes unseen just before a wait.
    signals, into_signals = os.pipe()
    os.set_blocking(into_signals, False)
    signal.set_wakeup_fd(into_signals)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    # Python ignores these, and what is ignored is so after an exec, too.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    common = last = running = None
    while True:
        sources = [WORK, signals, *(running.sources if running else [])]
        ready, _, _ = select.select(sources, [], [], running and running.left())
        if signals in ready and set(os.read(signals, 256)) != {signal.SIGCHLD}:
            tell(b"S")
        if running and running.is_over(ready):
            tell(b"X", running.status.to_bytes(4, "big"))
            running = None
        if WORK in ready:
            receive()
        while (words := request()) is not None:
            if common is None:
                common = pairs(words)
                tell(b"H")
            elif words[0] == b"run":
                last = None
                try:
                    last = running = Command(common, *words[1:])
                except Exception:
                    tell(b"N")
            elif last:
                last.kill(int(words[1]))


main()
`;
