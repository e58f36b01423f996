/**
 * stdout, with the cursor in the corner as the alternate screen is entered.
 *
 * The terminal takes the cursor over from the screen before, where a shell's prompt or a program's last line may have left it
 * anywhere, and Ink writes its frame where the cursor is.
 */

const ENTER = "\x1b[?1049h";
const HOME = "\x1b[H";

export function screenStdout(stdout: NodeJS.WriteStream): NodeJS.WriteStream {
  const homed = (chunk: unknown): unknown =>
    typeof chunk === "string" ? chunk.replaceAll(ENTER, ENTER + HOME) : chunk;
  return new Proxy(stdout, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        Reflect.apply(value, target, name === "write" ? args.map(homed) : args);
    },
  });
}
