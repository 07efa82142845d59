/**
 * Where the media server is for this page (docs/media.md, Addresses): a page that was reached by another name than the
 * server's own reaches the media server by another name, too.
 */
const REL = 'urn:kith:media:0'
const CANONICAL = 'urn:kith:media:0#canonical'

interface HostMeta {
  links?: { rel?: unknown; href?: unknown; properties?: Record<string, unknown> }[]
}

/** The origin of the app's server, from the address of its WebSocket. */
export function originOf(socket: string): string {
  return new URL(socket.replace(/^ws/, 'http')).origin
}

export class MediaOrigin {
  private found: Promise<{ here: string; canonical: string } | undefined> | undefined

  /** `page`: the origin of the app's server. */
  constructor(
    private readonly page: string,
    private readonly get: typeof fetch = (...args) => fetch(...args)
  ) {}

  /**
   * The address to use for a canonical one; `foreign` if it is on another server. Rejects if the app's server can't be
   * asked.
   */
  async local(url: string): Promise<{ url: string; foreign: boolean }> {
    const known = await this.origins()
    if (!known || new URL(url).origin !== known.canonical) return { url, foreign: true }
    return { url: known.here + url.slice(known.canonical.length), foreign: false }
  }

  private async origins(): Promise<{ here: string; canonical: string } | undefined> {
    this.found ??= this.ask()
    try {
      return await this.found
    } catch (error) {
      this.found = undefined
      throw error
    }
  }

  private async ask(): Promise<{ here: string; canonical: string } | undefined> {
    const answer = await this.get(`${this.page}/.well-known/host-meta.json`)
    if (!answer.ok) throw new Error(`host-meta: ${String(answer.status)}`)
    const { links } = (await answer.json()) as HostMeta
    const link = Array.isArray(links) ? links.find(({ rel }) => rel === REL) : undefined
    if (typeof link?.href !== 'string' || !URL.canParse(link.href)) return undefined
    const here = new URL(link.href).origin
    const named = link.properties?.[CANONICAL]
    return {
      here,
      canonical: typeof named === 'string' && URL.canParse(named) ? new URL(named).origin : here
    }
  }
}
