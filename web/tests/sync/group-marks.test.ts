import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import { GroupMarks } from '../../src/sync/group-marks'
import { NotConnected } from '../../src/xmpp/errors'
import type { Wire } from '../../src/xmpp/wire'

const GROUP = 'tea@groups.localhost'

test('a marker of a group that was lost with the connection is told in the next session', async () => {
  const db = new Database('group-marks')
  const sent: string[] = []
  let connected = false
  const wire: Pick<Wire, 'online' | 'send'> = {
    online: true,
    send: ({ xml }) => {
      if (!connected) return Promise.reject(new NotConnected())
      sent.push(xml)
      return Promise.resolve()
    }
  }
  const marks = new GroupMarks(db, 'ada@localhost', wire as Wire)
  await db.outgoing.add({
    to: GROUP,
    id: 'one',
    what: { type: 'marker', of: ['0000000000001'], kind: 'displayed' },
    tries: 0
  })
  await marks.wake()
  expect(await db.outgoing.count()).toBe(1)

  connected = true
  await marks.wake()
  expect(sent).toHaveLength(1)
  expect(sent[0]).toContain('read="0000000000001"')
  expect(await db.outgoing.count()).toBe(0)
  marks.stop()
  db.close()
})
