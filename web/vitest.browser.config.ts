import { defineConfig } from "vitest/config";

// Browser tests: chromium against a running Mixdown. One file after the other, and no second try for any of them.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    retry: 0,
    // Vite has a BASE_URL of its own, which it puts in the place of ours.
    env: { MIXDOWN_URL: process.env.BASE_URL ?? "" },
    expect: { poll: { timeout: 20_000, interval: 50 } },
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
