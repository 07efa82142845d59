/**
 * For `make dev`: runs `kith serve` behind Vite's server, and again whenever one of its Python files changes. What is not the
 * web app's goes to it, so that there is one address to open, and one command to end.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join, sep } from 'node:path'
import type { Plugin } from 'vite'

const ROOT = join(import.meta.dirname, '../..')
const SOURCE = join(ROOT, 'src', 'kith') + sep
/** What the server answers itself. */
const PATHS = ['/api', '/xmpp-websocket', '/.well-known', '/invite', '/health']
/** Milliseconds: files that are written together restart it once; and so long it may take to listen. */
const TOGETHER_MS = 200
const START_MS = 30_000

export function backend(): Plugin {
  const port = Number(process.env['KITH_HTTP_PORT'] ?? 8080)
  const target = `http://127.0.0.1:${String(port)}`
  let server: ChildProcess | undefined
  let ending = false

  function start(): void {
    // A group of its own, so that Ctrl-C is heard once: by this process, which ends it
    const child = spawn(join(ROOT, '.venv/bin/kith'), ['serve'], {
      cwd: ROOT,
      stdio: 'inherit',
      detached: true
    })
    child.on('error', (error) => {
      console.error(`kith serve can't be run: ${error.message}`)
    })
    child.on('exit', (code) => {
      if (server !== child) return
      server = undefined
      if (!ending)
        console.error(`kith serve has ended (${String(code)}); the next change of a file runs it again`)
    })
    server = child
  }

  async function stop(): Promise<void> {
    const child = server
    server = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGINT')
    await once(child, 'exit')
  }

  async function end(): Promise<void> {
    if (ending) return
    ending = true
    await stop()
    process.exit(0)
  }

  return {
    name: 'kith-backend',
    // Vitest is a server of Vite's as well
    apply: (_, { command }) => command === 'serve' && !process.env['VITEST'],
    config: () => ({
      server: {
        proxy: Object.fromEntries(PATHS.map((path) => [path, { target, ws: path === '/xmpp-websocket' }]))
      }
    }),
    async configureServer({ watcher }) {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end())
      start()
      let timer: NodeJS.Timeout | undefined
      watcher.add(SOURCE)
      watcher.on('all', (_, file) => {
        if (!file.startsWith(SOURCE) || !file.endsWith('.py')) return
        clearTimeout(timer)
        timer = setTimeout(() => {
          void stop().then(() => {
            if (!ending) start()
          })
        }, TOGETHER_MS)
      })
      await listening(port, () => server !== undefined)
    }
  }
}

/** Resolves when something listens there, `goesOn` says no more, or it takes too long. */
async function listening(port: number, goesOn: () => boolean): Promise<void> {
  for (const end = performance.now() + START_MS; performance.now() < end && goesOn();) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => socket.destroy())
    })
    if (open) return
    await new Promise((done) => setTimeout(done, 100))
  }
}
