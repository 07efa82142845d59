/** Queries the account's own archive (XEP-0313), page by page (XEP-0059) backwards from the newest entry. */
import type { Address, Moment } from '../local/types'
import { timeOf } from '../local/order'
import { archiveTime, asNow, delayed } from '../xmpp/archived'
import { Lost, Refused } from '../xmpp/errors'
import { NS } from '../xmpp/ns'
import { form } from '../xmpp/pubsub'
import type { Wire } from '../xmpp/wire'
import { attribute, child, el, textOf, type Xml } from '../xmpp/xml'
import type { Entry } from './unhandled'
import type { Gap } from './gaps'

/** The number of entries of a page. */
export const PAGE = 250
const QUERY_MS = 60_000

export interface Page {
  /** The entries, the oldest first. */
  found: Entry[]
  /** Whether there is nothing before it. */
  complete: boolean
  /** The id of the first entry; empty: there is none. */
  first: string
}

/** Which entries to fetch. Fields that are empty or omitted do not restrict them. */
interface Range {
  chat?: Address
  /** Archive ids, exclusive. */
  after?: string
  before?: string
  start?: Date
  end?: Date
}

export class Archive {
  private readonly pages = new Map<string, Page['found']>()
  /** Former addresses of the account, the oldest first. */
  former: ReadonlySet<Address> = new Set()

  constructor(
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly now: () => Moment
  ) {}

  /** Takes a result of a running query. */
  result(result: Xml): void {
    const forwarded = child(result, NS.forward, 'forwarded')
    const message = child(forwarded, NS.client, 'message')
    const id = attribute(result, 'id')
    if (!message) return
    const at = archiveTime(id, delayed(forwarded), this.now())
    const entry = { id, at, message: asNow(message, this.me, this.former) }
    this.pages.get(attribute(result, 'queryid'))?.push(entry)
  }

  /** The newest page of a range. Rejects with Refused or Lost. */
  async page(range: Range, most = PAGE): Promise<Page> {
    if (!this.wire.online) throw new Lost()
    const id = crypto.randomUUID()
    const found: Page['found'] = []
    this.pages.set(id, found)
    try {
      const fin = await this.ask(id, range, most)
      return {
        found,
        complete: attribute(fin, 'complete') === 'true',
        first: found[0]?.id ?? ''
      }
    } finally {
      this.pages.delete(id)
    }
  }

  /** The newest page of a gap. */
  async pageOf({ after, before, since }: Gap): Promise<Page> {
    try {
      if (since !== undefined) return await this.page({ before, start: new Date(since) })
      return await this.page({ after, before })
    } catch (error) {
      if (!(error instanceof Refused) || error.condition !== 'item-not-found') throw error
      // The last known entry has expired from the archive, so its time is used instead.
      const start = new Date(timeOf(after || before) - 1000)
      return await this.page({ start, ...(before && { end: new Date(timeOf(before)) }) })
    }
  }

  /** The approximate number of entries of a gap; 0 if the server does not count. */
  async count({ after, before, since }: Gap): Promise<number> {
    try {
      const start = since === undefined ? {} : { start: new Date(since) }
      const fin = await this.ask(crypto.randomUUID(), { after, before, ...start }, 0)
      return Number(textOf(child(child(fin, NS.rsm, 'set'), NS.rsm, 'count'))) || 0
    } catch (error) {
      if (error instanceof Refused) return 0
      throw error
    }
  }

  private async ask(
    id: string,
    { chat, after, before = '', start, end }: Range,
    max: number
  ): Promise<Xml | undefined> {
    const fields = {
      'include-groupchat': 'true',
      ...(chat && { with: chat }),
      ...(after && { 'after-id': after }),
      ...(start && { start: start.toISOString() }),
      ...(end && { end: end.toISOString() })
    }
    const query = el(
      'query',
      { xmlns: NS.mam, queryid: id },
      form(NS.mam, fields),
      el('set', { xmlns: NS.rsm }, el('max', {}, String(max)), el('before', {}, before))
    )
    const answer = await this.wire.request('set', '', query, QUERY_MS)
    return child(answer, NS.mam, 'fin')
  }
}
