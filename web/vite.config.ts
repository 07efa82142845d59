import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { finish } from './build/finish.ts'
import { withoutWebAssembly } from './build/policy.ts'

export default defineConfig({
  // libsignal brings an own WebCrypto for browsers that have none; Kith needs theirs
  resolve: { alias: [{ find: /^.*\/msrcrypto$/, replacement: `${import.meta.dirname}/src/crypto/none.ts` }] },
  plugins: [svelte(), withoutWebAssembly(), finish()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node', testTimeout: 30_000 }
})
