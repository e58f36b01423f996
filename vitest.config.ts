import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/helpers/build.ts"],
    // Half of what the tests do is to wait for processes.
    maxWorkers: 2,
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // Machines are noisy: what is awaited may take its time, what is wrong stays wrong.
    expect: { poll: { timeout: 15_000 } },
  },
});
