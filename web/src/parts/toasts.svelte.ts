/** Short messages about what was just done, or failed. They disappear by themselves. */
import { NotConnected } from '../sync/app'
import { t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'

export interface Toast {
  id: number
  text: string
  action?: { label: string; act: () => void } | undefined
}

class Toasts {
  all = $state.raw<Toast[]>([])
  private count = 0

  /** Toasts with a button stay longer. */
  show(text: string, action?: Toast['action'], seconds = action ? 8 : 4): void {
    const id = ++this.count
    this.all = [...this.all.slice(-2), { id, text, action }]
    setTimeout(() => {
      this.drop(id)
    }, seconds * 1000)
  }

  drop(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id)
  }
}

export const toasts = new Toasts()

/** Waits for `work`. If it fails, shows a toast and returns false. */
export async function succeeded(work: Promise<unknown>, failed: Key = 'failed'): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    const unreachable = error instanceof NotConnected
    if (!unreachable) console.error(error)
    toasts.show(t(unreachable ? 'problem.offline' : failed))
    return false
  }
}

/** Runs something that may fail, and shows a toast if it does. */
export function attempt(work: Promise<unknown>, failed: Key = 'failed'): void {
  void succeeded(work, failed)
}
