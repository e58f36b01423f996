/** Being stopped as a terminal does it by ^Z, and going on. */

/** Where nobody can continue it (an orphaned process group), the kernel does not stop it, in ms. */
const NOT_STOPPED_MS = 200;

/** Stops all of this job, the process that samples and a wrapping script included; resolves when it goes on. */
export function stopUntilContinued(): Promise<void> {
  return new Promise((resolve) => {
    // Who listens to it is not stopped by it.
    const listeners = process.listeners("SIGTSTP");
    const go = (): void => {
      clearTimeout(timer);
      process.off("SIGCONT", go);
      for (const listener of listeners) process.on("SIGTSTP", listener);
      resolve();
    };
    process.removeAllListeners("SIGTSTP");
    process.once("SIGCONT", go);
    // While it is stopped, so is this.
    const timer = setTimeout(go, NOT_STOPPED_MS);
    process.kill(0, "SIGTSTP");
  });
}
