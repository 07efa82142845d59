/** Builds `peer.ts` into one file for Node. */
import { defineConfig } from 'vite'

// what libsignal's curve, made by Emscripten, asks Node for
const banner = `import { createRequire as requireFrom } from 'node:module'
const require = requireFrom(import.meta.url), __dirname = import.meta.dirname;`

export default defineConfig({
  ssr: { noExternal: true },
  build: {
    ssr: 'tests/peer.ts',
    target: 'node20',
    emptyOutDir: true,
    rollupOptions: { output: { entryFileNames: 'peer.mjs', banner } }
  }
})
