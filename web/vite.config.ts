import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { about } from './build/about.ts'
import { backend } from './build/backend.ts'
import { BROWSERS } from './build/browsers.ts'
import { finish } from './build/finish.ts'

const PROTOBUF = '@privacyresearch/libsignal-protocol-protobuf-ts/lib/generated/protos'

export default defineConfig({
  resolve: {
    alias: [
      // libsignal brings an own WebCrypto for browsers that have none; Kith needs theirs
      { find: /^.*\/msrcrypto$/, replacement: `${import.meta.dirname}/src/crypto/unused.ts` },
      // and numbers of 64 bits, which are in none of its messages; they try WebAssembly, which the page's policy forbids
      { find: /^long$/, replacement: `${import.meta.dirname}/src/crypto/unused.ts` },
      // and messages of another app, beside those of its own protocol
      {
        find: /^@privacyresearch\/libsignal-protocol-protobuf-ts$/,
        replacement: `${PROTOBUF}/WhisperTextProtocol.js`
      }
    ]
  },
  define: about(),
  plugins: [svelte(), backend(), finish()],
  build: {
    target: BROWSERS,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700
  },
  // by default one worker fewer than there are processors
  test: { include: ['tests/**/*.test.ts'], environment: 'node', testTimeout: 30_000, maxWorkers: '100%' }
})
