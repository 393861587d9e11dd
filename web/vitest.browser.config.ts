import { defineConfig } from "vitest/config";

// Browser tests: chromium against a running Mixdown. One file after the other, and no second try for any of them.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    retry: 0,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
