/**
 * Where one is in the app. It stands behind the # of the address, so that the server never hears whom one writes to:
 * `#/chat/ADDRESS`, `#/settings/privacy`.
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
  /** How many steps back are within the app. */
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

  /** Calls back whenever one has gone elsewhere, until the function that it returns is called. */
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

  /** Takes the place of where one is. */
  replace(...parts: string[]): void {
    history.replaceState(null, '', `#/${parts.map(encodeURIComponent).join('/')}`)
    this.enter()
  }

  /** To where one came from, or else up to there. */
  back(...parts: string[]): void {
    if (this.depth > 0) {
      this.depth -= 1
      history.back()
    } else this.replace(...parts)
  }
}

export const route = new Route()
