/** The service worker: a newer app waits until the person takes it. */
import { trustedWorker } from '../local/worker'
import { loadWithRetry } from './load'

const HOUR = 3_600_000
/** Between two tries to keep the app in the browser. */
const LONGEST_PAUSE_MS = 60_000
const WORKER = '/sw.js'

/** The worker, once everything is kept in the browser; undefined if the browser does not want any. */
async function kept(workers: ServiceWorkerContainer): Promise<ServiceWorkerRegistration | undefined> {
  const url = trustedWorker(WORKER)
  return loadWithRetry(async () => {
    let registration: ServiceWorkerRegistration | undefined
    try {
      registration = await workers.register(url)
    } catch (error) {
      // a private window may have none: then there is no opening without network
      if (error instanceof DOMException && error.name === 'SecurityError') return undefined
      throw error
    }
    const fetching = (registration as ServiceWorkerRegistration | undefined)?.installing
    if (fetching && !registration.active && !(await installed(fetching)))
      throw new Error('the app could not be fetched as a whole')
    return registration
  }, LONGEST_PAUSE_MS)
}

/** Whether it becomes one: what it keeps may not arrive. */
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
  /** Another tab has taken the newer app: what this one was loaded from may be gone. */
  private stale = false

  /** Registers the worker of the page, and looks for a newer one now and then. */
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
      // the first one has nothing to take the place of
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
