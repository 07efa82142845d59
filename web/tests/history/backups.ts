/** A device with some messages, and backups of it. */
import { backup, NotRestored } from '../../src/history/backup'
import { BadFile } from '../../src/history/bad-file'
import { newWords, type Phrase } from '../../src/history/phrase'
import { addMessage } from '../../src/local/messages'
import { messageKey, orderAt } from '../../src/local/order'
import type { Message } from '../../src/local/types'
import { Work } from '../../src/local/work'
import { type Device, device as made } from '../sync/people'
import { World } from '../sync/world'

export const ME = 'ada@example.org'
export const BEN = 'ben@example.org'
export const WORDS = { is: 'words', key: newWords().join(' ') } as const
export const nothing = (): void => undefined

/** A device that is turned off after the test. */
export function device(world = new World()): Promise<Device> {
  return made(world, 'ada')
}

export function message(n: number, more: Partial<Message> = {}): Message {
  const at = Date.now() - 1_000_000 + n * 1000
  const [mine, id] = [n % 2 === 0, `m${String(n)}`]
  return {
    ...{
      key: messageKey(BEN, BEN, mine, id),
      chat: BEN,
      at,
      order: orderAt(at),
      from: mine ? ME : BEN,
      mine,
      id
    },
    ...{ kind: 'text', text: `message ${String(n)}`, progress: mine ? 'sent' : 'read', reactions: {} },
    ...{ encrypted: true, ...more }
  }
}

export async function write(one: Device, messages: Message[]): Promise<void> {
  await Work.run(one.db, async (work) => {
    for (const each of messages) await addMessage(work, ME, each)
  })
}

export const saved = (one: Device, phrase: Exclude<Phrase, { is: 'mistyped' }> = WORDS): Promise<Blob> =>
  backup(one.db, ME, phrase, Date.now(), nothing)

export async function failed(work: Promise<unknown>): Promise<unknown> {
  const error = await work.catch((reason: unknown) => reason)
  return error instanceof NotRestored || error instanceof BadFile ? error.problem : error
}

export const raw = async (one: Device): Promise<Message[]> => one.db.messages.orderBy('key').toArray()
