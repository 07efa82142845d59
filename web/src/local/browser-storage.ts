/**
 * Small values in `localStorage`. If it is full or forbidden, they are lost with the page, and nothing else fails
 * because of that.
 */

/** null: it does not exist, or can't be read. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null // the browser forbids it
  }
}

/** Returns whether it was stored. */
export function remember(name: string, value: string): boolean {
  try {
    localStorage.setItem(name, value)
    return true
  } catch {
    return false // full, or forbidden
  }
}
