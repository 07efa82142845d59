/** Two devices of ada on the server in memory, and a history that one of them has. */
import { expect } from 'vitest'
import { beginGiving, beginTaking, TAKING, type Taking } from '../../src/history/transfer'
import { addMessage } from '../../src/local/messages'
import { messageKey, orderAt } from '../../src/local/order'
import type { Message } from '../../src/local/types'
import { Work } from '../../src/local/work'
import { type Device, device as made } from '../sync/people'
import { World } from '../sync/world'

export const ME = 'ada@example.org'
/** A device that is turned off after the test. */
export function device(world: World, name = 'ada'): Promise<Device> {
  return made(world, name)
}

export function message(chat: string, n: number, at: number, more: Partial<Message> = {}): Message {
  const mine = n % 2 === 0
  const id = `${chat} ${String(n)}`.replace(/\W/g, '-')
  return {
    ...{
      key: messageKey(chat, chat, mine, id),
      chat,
      at,
      order: orderAt(at),
      from: mine ? ME : chat,
      mine,
      id
    },
    ...{ kind: 'text', text: `${chat} says ${String(n)}`, progress: mine ? 'sent' : 'read', reactions: {} },
    ...{ encrypted: true, ...more }
  }
}

/** What is on the old device: chats of so many messages, the first one's the oldest. */
export async function past(
  old: Device,
  chats: number[],
  more: (n: number) => Partial<Message> = () => ({})
): Promise<void> {
  const start = Date.now() - 86_400_000
  await Work.run(old.db, async (work) => {
    for (const [at, count] of chats.entries()) {
      for (let n = 0; n < count; n++) {
        await work.keepAlive()
        await addMessage(
          work,
          ME,
          message(`c${String(at)}@example.org`, n, start + at * 1_000_000 + n * 1000, more(n))
        )
      }
    }
  })
}

export async function all(one: Device): Promise<unknown[]> {
  const messages = await one.db.messages.orderBy('key').toArray()
  return messages.map(({ starred, ...rest }) => (starred ? { ...rest, starred } : rest))
}

export const taking = (one: Device): Promise<Taking | undefined> => one.db.fact<Taking>(TAKING)

export async function link(from: Device, to: Device): Promise<void> {
  const letter = await beginGiving(from.db, 'Laptop', Date.now())
  expect(await beginTaking(to.db, letter, Date.now())).toBe(true)
  await to.app.takeHistory()
}

export const done = async (one: Device): Promise<boolean> => (await taking(one))?.state === 'done'
