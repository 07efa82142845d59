import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { finish } from './build/finish.ts'
import { withoutWebAssembly } from './build/policy.ts'

export default defineConfig({
  plugins: [svelte(), withoutWebAssembly(), finish()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' }
})
