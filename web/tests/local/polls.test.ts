import { expect, test } from 'vitest'
import { tallied } from '../../src/local/effects'
import { orderAt } from '../../src/local/order'
import type { Change, Message } from '../../src/local/types'
import { fc } from '../history/arbitrary'

const poll: Message = {
  ...{ key: 'g b/p', chat: 'g', at: 1, order: orderAt(1), from: 'b', mine: false, id: 'p', kind: 'text' },
  ...{ text: '', progress: 'read', reactions: {}, encrypted: true },
  poll: { question: '?', options: ['x', 'y'].map((id) => ({ id, text: id })), several: false }
}
const said = (kind: Change['kind'], from: string, at: number, emojis?: string[]): Change => ({
  ...{
    key: `${kind} ${poll.key} ${from}`,
    target: poll.key,
    kind,
    from,
    order: orderAt(at),
    encrypted: true
  },
  ...(emojis && { emojis })
})
const CHANGES = [
  said('vote', 'c', 10, ['x']),
  said('vote', 'd', 11, []),
  said('close', 'c', 12), // not its author
  said('close', 'b', 20),
  said('vote', 'e', 21, ['y'])
]

test('votes count until the author closes the poll, in whichever order they arrive', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(CHANGES, { minLength: CHANGES.length }), (changes) => {
      expect(tallied(poll, changes)).toMatchObject({ votes: { c: ['x'] }, closed: true })
    })
  )
  expect(tallied(tallied(poll, CHANGES), [])).toEqual(poll)
})
