/**
 * The current screen. It is in the fragment of the page's address, so that the server does not learn whom the user
 * writes to: `#/chat/ADDRESS`, `#/settings/privacy`.
 */
const read = (): string[] =>
  location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      try {
        return decodeURIComponent(part)
      } catch {
        return part
      }
    })

class Route {
  parts = $state.raw(read())
  /** How many steps back stay within the app. */
  private depth = 0

  private readonly leaving = new Set<() => void>()

  constructor() {
    addEventListener('hashchange', () => {
      this.enter()
    })
  }

  private enter(): void {
    const parts = read()
    if (parts.join('/') === this.parts.join('/')) return
    this.parts = parts
    for (const left of [...this.leaving]) left()
  }

  /** Calls back after each change of the screen. Returns a function that stops it. */
  onLeave(left: () => void): () => void {
    this.leaving.add(left)
    return () => {
      this.leaving.delete(left)
    }
  }

  go(...parts: string[]): void {
    this.depth += 1
    location.hash = `#/${parts.map(encodeURIComponent).join('/')}`
  }

  /** Goes to a screen, replacing the current entry of the browser's history. */
  replace(...parts: string[]): void {
    history.replaceState(null, '', `#/${parts.map(encodeURIComponent).join('/')}`)
    this.enter()
  }

  /** Goes back. If this is the first screen that was opened, goes to the given one instead. */
  back(...parts: string[]): void {
    if (this.depth > 0) {
      this.depth -= 1
      history.back()
    } else this.replace(...parts)
  }
}

export const route = new Route()
