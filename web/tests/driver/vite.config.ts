/** The sync layer as a program for Node, and as a page for a browser: what tests/web drives. */
import { defineConfig } from 'vite'

export default defineConfig({
  build: {
    target: 'es2022',
    minify: false,
    emptyOutDir: true,
    rollupOptions: {
      output: {
        codeSplitting: false,
        // A library of the encryption looks for it
        banner:
          "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url); const __dirname = '/';"
      }
    }
  },
  ssr: { noExternal: true }
})
