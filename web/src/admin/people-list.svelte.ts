/** The list of people as it is searched, sorted and paged. It stays as it was while a person is looked at. */
import { type Answer } from '../start/api'
import type { PeopleQuery, Person } from './api'
import { Loaded } from './loaded.svelte'

export interface Page {
  people: Person[]
  total: number
  /** The place after which the next page begins; empty: this is the last one. */
  next: string
}

export const PAGE = 50
/** Milliseconds without a key before a search begins. */
const PAUSE_MS = 250

export class PeopleList {
  query = $state('')
  state = $state<PeopleQuery['state']>('')
  sort = $state<PeopleQuery['sort']>('address')
  readonly page = new Loaded<Page>()
  /** Where each page up to this one begins. */
  private starts = $state.raw<string[]>([''])
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly ask: (query: PeopleQuery) => Promise<Answer<Page>>) {}

  /** How many people are on the pages before this one. */
  get before(): number {
    return (this.starts.length - 1) * PAGE
  }

  get hasPrevious(): boolean {
    return this.starts.length > 1
  }

  get hasNext(): boolean {
    return (this.page.value?.next ?? '') !== ''
  }

  async load(starts = this.starts): Promise<void> {
    const { query, state, sort } = this
    const asked = { query: query.trim(), state, sort, after: starts.at(-1) ?? '', limit: PAGE }
    const found = await this.page.load(() => this.ask(asked))
    if (found) this.starts = starts
  }

  async next(): Promise<void> {
    const next = this.page.value?.next
    if (next) await this.load([...this.starts, next])
  }

  async previous(): Promise<void> {
    if (this.hasPrevious) await this.load(this.starts.slice(0, -1))
  }

  /** Searches once nothing was typed for a while. */
  search(query: string): void {
    this.query = query
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.load(['']), PAUSE_MS)
  }

  async filter(state: PeopleQuery['state']): Promise<void> {
    this.state = state
    await this.load([''])
  }

  async order(sort: PeopleQuery['sort']): Promise<void> {
    this.sort = sort
    await this.load([''])
  }
}
