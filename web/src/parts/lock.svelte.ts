/** Whether the app is locked in this browser, and when it locks itself. */
import { deviceTime } from '../local/device-time'
import { recall, remember } from '../local/browser-storage'
import { confirmed, fits, waitAfter, type Secret } from './lock-secret'

const NAME = 'kith.lock'
const NOW = 'kith.lock.now'
/** Milliseconds between looks at the clock. */
const LOOK_MS = 5000
/** Minutes without a sign of the person; 0: as soon as the window is not seen. */
export const MINUTES = [0, 1, 5, 15, 60] as const
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

interface Kept {
  secret: Secret
  minutes: number
  /** Wrong PINs in a row, and until when none is taken. */
  wrong: number
  until: number
}

function read(): Kept | undefined {
  try {
    const kept = JSON.parse(recall(NAME) ?? 'null') as Kept | null
    return kept?.secret ? kept : undefined
  } catch {
    return undefined
  }
}

export class Lock {
  #kept = $state.raw<Kept | undefined>(read())
  /** Who opens the page begins locked. */
  #locked = $state(this.#kept !== undefined)
  private seen = deviceTime()

  get kind(): Secret['kind'] | undefined {
    return this.#kept?.secret.kind
  }

  get minutes(): number {
    return this.#kept?.minutes ?? 5
  }

  set minutes(minutes: number) {
    if (this.#kept) this.keep({ ...this.#kept, minutes })
  }

  get locked(): boolean {
    return this.#locked
  }

  /** Milliseconds until a PIN is taken again. */
  get wait(): number {
    return Math.max(0, (this.#kept?.until ?? 0) - deviceTime())
  }

  /** False: the browser can't keep it, so there is no lock. */
  set(secret: Secret): boolean {
    const kept = this.keep({ secret, minutes: this.minutes, wrong: 0, until: 0 })
    if (!kept) this.#kept = undefined
    return kept
  }

  /** All windows. */
  lock(): void {
    if (!this.#kept) return
    this.#locked = true
    remember(NOW, String(deviceTime()))
  }

  /** Whether it was the PIN. */
  async open(pin: string): Promise<boolean> {
    const kept = this.#kept
    if (kept?.secret.kind !== 'pin' || this.wait > 0) return false
    // counted before it is looked at: whoever reloads in between has used the try, too
    const wrong = kept.wrong + 1
    this.keep({ ...kept, wrong, until: deviceTime() + waitAfter(wrong) })
    if (!(await fits(kept.secret, pin))) return false
    this.opened(kept)
    return true
  }

  /** Whether the device knows the person. Rejects if they break it off. */
  async confirm(): Promise<boolean> {
    const kept = this.#kept
    if (kept?.secret.kind !== 'passkey') return false
    if (!(await confirmed(kept.secret))) return false
    this.opened(kept)
    return true
  }

  /** No lock any more. */
  remove(): void {
    localStorage.removeItem(NAME)
    localStorage.removeItem(NOW)
    this.#kept = undefined
    this.#locked = false
  }

  /** Watches the person and the other windows. Returns how to stop. */
  watch(): () => void {
    const sign = (): void => {
      this.look()
      if (!this.#locked) this.seen = deviceTime()
    }
    const look = (): void => {
      this.look()
    }
    const hidden = (): void => {
      if (document.visibilityState === 'hidden' && this.#kept?.minutes === 0) this.#locked = true
      this.look()
    }
    const other = (event: StorageEvent): void => {
      if (event.key === NOW && this.#kept) this.#locked = true
      if (event.key !== NAME) return
      this.#kept = read()
      if (!this.#kept) this.#locked = false
    }
    for (const one of SIGNS) document.addEventListener(one, sign, { passive: true, capture: true })
    document.addEventListener('visibilitychange', hidden)
    window.addEventListener('storage', other)
    const timer = setInterval(look, LOOK_MS)
    return () => {
      for (const one of SIGNS) document.removeEventListener(one, sign, { capture: true })
      document.removeEventListener('visibilitychange', hidden)
      window.removeEventListener('storage', other)
      clearInterval(timer)
    }
  }

  /** Locks if nobody was there for long; also after the computer slept. */
  private look(): void {
    const minutes = this.#kept?.minutes
    if (minutes && deviceTime() - this.seen > minutes * 60_000) this.#locked = true
  }

  private opened(kept: Kept): void {
    this.keep({ ...kept, wrong: 0, until: 0 })
    this.seen = deviceTime()
    this.#locked = false
  }

  /** Where there is no room, this page still knows it: who has the PIN gets in all the same. */
  private keep(kept: Kept): boolean {
    this.#kept = kept
    return remember(NAME, JSON.stringify(kept))
  }
}

export const lock = new Lock()
