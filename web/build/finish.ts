/**
 * What follows when the chat app is built: the service worker with the list of its files, the page for operators, and
 * compressed copies.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { build, type Plugin } from 'vite'
import { injectManifest } from 'workbox-build'
import { BROWSERS } from './browsers.ts'

const KINDS = /\.(?:css|html|js|json|svg|txt|wasm|webmanifest)$/
/** Bytes below which compressing gains nothing. */
const SHORT = 400

export function finish(): Plugin {
  let folder = ''
  let root = ''
  return {
    name: 'kith-finish',
    apply: 'build',
    configResolved(config) {
      root = config.root
      folder = join(root, config.build.outDir)
    },
    closeBundle: {
      order: 'post',
      sequential: true,
      async handler(error?: Error) {
        if (error) return
        await serviceWorker(root, folder)
        await adminPage(root, folder)
        await compress(folder)
      }
    }
  }
}

async function serviceWorker(root: string, folder: string): Promise<void> {
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: BROWSERS,
      lib: { entry: join(root, 'src/sw.ts'), formats: ['iife'], name: 'kith', fileName: () => 'sw.js' }
    }
  })
  const { warnings } = await injectManifest({
    swSrc: join(folder, 'sw.js'),
    swDest: join(folder, 'sw.js'),
    globDirectory: folder,
    globPatterns: ['**/*.{js,css,html,svg,png,webmanifest}'],
    globIgnores: ['sw.js'],
    dontCacheBustURLsMatching: /^assets\//,
    maximumFileSizeToCacheInBytes: 5_000_000
  })
  if (warnings.length) throw new Error(warnings.join('\n'))
}

/**
 * The page for operators is a build of its own, so that it shares no files with the chat app, whose service worker
 * doesn't know of it.
 */
async function adminPage(root: string, folder: string): Promise<void> {
  const named = (kind: string) => `assets/admin-[name]-[hash]${kind}`
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    plugins: [svelte()],
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: BROWSERS,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: join(root, 'admin.html'),
        output: {
          entryFileNames: named('.js'),
          chunkFileNames: named('.js'),
          assetFileNames: named('[extname]')
        }
      }
    }
  })
}

/** Without TLS the app runs on this machine alone, and over TLS browsers accept Brotli; so there are no other copies. */
async function compress(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && KINDS.test(entry.name))
  await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      const data = await readFile(path)
      if (data.length < SHORT) return
      const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }
      await writeFile(`${path}.br`, await promisify(brotliCompress)(data, quality))
    })
  )
}
