import { defineConfig } from 'vitest/config'

/** Tests that need real servers; `npm run test:servers` starts those first. One file at a time: some end their server. */
export default defineConfig({
  test: {
    include: ['test/servers/**/*.servers.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
    fileParallelism: false,
  },
})
