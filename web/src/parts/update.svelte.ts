/** The service worker: a new version of the app waits until the user accepts it. */
import { trustedWorker } from '../local/worker'
import { loadWithRetry } from './load'

const HOUR = 3_600_000
/** Milliseconds between attempts to install it. */
const LONGEST_PAUSE_MS = 60_000
const WORKER = '/sw.js'

/** The service worker, once the app is stored in the browser; undefined: the browser does not support it. */
async function kept(workers: ServiceWorkerContainer): Promise<ServiceWorkerRegistration | undefined> {
  const url = trustedWorker(WORKER)
  return loadWithRetry(async () => {
    let registration: ServiceWorkerRegistration | undefined
    try {
      registration = await workers.register(url)
    } catch (error) {
      // private windows may not support it, so the app can't be opened offline
      if (error instanceof DOMException && error.name === 'SecurityError') return undefined
      throw error
    }
    const fetching = (registration as ServiceWorkerRegistration | undefined)?.installing
    if (fetching && !registration.active && !(await installed(fetching)))
      throw new Error('the app could not be fetched as a whole')
    return registration
  }, LONGEST_PAUSE_MS)
}

/** Whether a worker becomes installed; its files may fail to load. */
function installed(worker: ServiceWorker): Promise<boolean> {
  return new Promise((done) => {
    const look = (): void => {
      if (worker.state !== 'installing') done(worker.state !== 'redundant')
    }
    worker.addEventListener('statechange', look)
    look()
  })
}

class Update {
  ready = $state(false)
  private waiting: ServiceWorker | null = null
  private taken = false
  /** Another tab has activated the new version, so files of this tab's version may be gone. */
  private stale = false

  /** Registers the service worker, and checks for new versions now and then. */
  async watch(): Promise<void> {
    const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined
    if (!workers) return
    let first = workers.controller === null
    workers.addEventListener('controllerchange', () => {
      if (first) {
        first = false
        return
      }
      if (this.taken || document.visibilityState === 'hidden') location.reload()
      else this.stale = this.ready = true
    })
    const registration = await kept(workers)
    if (!registration) return
    const look = (): void => {
      // the first worker replaces none
      if (!registration.waiting || !workers.controller) return
      this.waiting = registration.waiting
      this.ready = true
    }
    look()
    registration.addEventListener('updatefound', () => {
      registration.installing?.addEventListener('statechange', look)
    })
    setInterval(() => {
      registration.update().catch(() => undefined)
    }, HOUR)
  }

  take(): void {
    if (this.stale) location.reload()
    this.taken = true
    this.waiting?.postMessage('take over')
  }
}

export const update = new Update()
