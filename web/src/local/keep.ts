/**
 * Small things that a browser keeps beside the database (`localStorage`). It may be full, or forbidden: then they are
 * forgotten with the page, and nothing else fails because of that.
 */

/** null: it is not there, or can't be read. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null // the browser forbids it
  }
}

/** Whether it is kept. */
export function remember(name: string, value: string): boolean {
  try {
    localStorage.setItem(name, value)
    return true
  } catch {
    return false // full, or forbidden
  }
}
