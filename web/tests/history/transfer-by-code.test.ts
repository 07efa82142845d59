/** A device that logged in with a code asks another one for the history: a number is compared on both. */
import { describe, expect, it } from 'vitest'
import { givings } from '../../src/history/transfer'
import { WISH, REQUEST, type Wish, type Request } from '../../src/history/requests'
import { Device, until } from '../sync/people'
import { World } from '../sync/world'
import { all, device, done, past, taking } from './devices'

describe('a device that came in by a code', () => {
  const wish = async (one: Device) => (await one.db.fact<Wish>(WISH))?.candidates[0]
  const request = async (one: Device, of: Device) =>
    one.db.fact<Request>(REQUEST + String(await of.sealed.device()))

  it('gets the history when the number was compared on both and the person agreed', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [60])
    await fresh.app.wantHistory(true)
    await until(async () => (await wish(fresh)) !== undefined)
    const [there, here] = [await wish(fresh), await request(old, fresh)]
    expect(there?.number).toBe(here?.number)
    expect(there?.decision).toBe('asking')
    expect(await givings(old.db)).toEqual([])
    await fresh.app.compareHistory(there?.device ?? 0, true)
    expect(await old.app.decideHistory(here?.device ?? 0, true)).toBe(true)
    await until(() => done(fresh))
    expect(await all(fresh)).toEqual(await all(old))
    expect(await fresh.db.fact(WISH)).toBeUndefined()
  })

  it('also if the old device was asked while it was away, and agreed first', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [60])
    old.cut()
    for (const one of [...world.sessions]) if (one.jid.endsWith(old.agent)) world.end(one)
    await fresh.app.wantHistory(true)
    old.join()
    await until(async () => (await request(old, fresh)) !== undefined)
    await old.app.decideHistory((await request(old, fresh))?.device ?? 0, true)
    await until(async () => (await wish(fresh))?.decision === 'agreed')
    expect(await fresh.db.messages.count()).toBe(0)
    await fresh.app.compareHistory((await wish(fresh))?.device ?? 0, true)
    await until(() => done(fresh))
    expect(await fresh.db.messages.count()).toBe(60)
  })

  it('gets nothing, and no letter, until the person agreed, nor when they refused', async () => {
    const world = new World()
    const [old, thief] = [await device(world), await device(world)]
    await past(old, [60])
    const sent: string[] = []
    world.meddle = (inner, { from }) => {
      if (from.endsWith(old.agent)) sent.push(inner)
      return inner
    }
    await thief.app.wantHistory(true)
    await until(async () => (await wish(thief)) !== undefined)
    await thief.app.compareHistory((await wish(thief))?.device ?? 0, true)
    await thief.app.wantHistory(true)
    await old.app.decideHistory(await thief.sealed.device(), false)
    await until(async () => (await wish(thief))?.decision === 'refused')
    expect(sent.length).toBeGreaterThan(1)
    expect(sent.join('')).not.toContain('encrypted')
    expect(await givings(old.db)).toEqual([])
    expect(await thief.db.messages.count()).toBe(0)
  })

  it('gets nothing if a server has put another key in its place before the person agreed', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [60])
    await fresh.app.wantHistory(true)
    await until(async () => (await wish(fresh)) !== undefined)
    const id = await fresh.sealed.device()
    old.sealed.keys.set(id, 'of the server')
    // The number that was shown is of the key before
    expect(await old.app.decideHistory(id, true)).toBe(false)
    await fresh.app.wantHistory(true)
    await until(async () => (await request(old, fresh))?.fingerprint === 'of the server')
    expect((await request(old, fresh))?.decision).toBe('refused')
    expect((await request(old, fresh))?.number).not.toBe((await wish(fresh))?.number)
    expect(await givings(old.db)).toEqual([])
  })

  it('is not compared any more if the old device shows another key meanwhile', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await fresh.app.wantHistory(true)
    await until(async () => (await wish(fresh)) !== undefined)
    const id = await old.sealed.device()
    fresh.sealed.keys.set(id, 'of the server')
    await fresh.app.wantHistory(true)
    await until(async () => (await wish(fresh))?.same === false)
    await fresh.app.compareHistory(id, true)
    await old.app.decideHistory(await fresh.sealed.device(), true)
    await until(async () => (await wish(fresh))?.decision === 'agreed')
    expect(await taking(fresh)).toBeUndefined()
  })

  it('takes no letter from a device that the person has not compared here', async () => {
    const world = new World()
    const [old, fresh] = [await device(world), await device(world)]
    await past(old, [60])
    await fresh.app.wantHistory(true)
    await until(async () => (await request(old, fresh)) !== undefined)
    await old.app.decideHistory(await fresh.sealed.device(), true)
    await until(async () => (await wish(fresh))?.decision === 'agreed')
    await fresh.app.wantHistory(true)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await taking(fresh)).toBeUndefined()
    expect(await fresh.db.messages.count()).toBe(0)
  })

  it('is not asked about by anybody of another account', async () => {
    const world = new World()
    const [old, ben] = [await device(world), await device(world, 'ben')]
    const jid = world.sessions.find((one) => one.jid.endsWith(old.agent))?.jid ?? ''
    let answer = ''
    world.meddle = (inner, { type }) => {
      if (type === 'error') answer = inner
      return inner
    }
    const session = world.sessions.find((one) => one.jid.endsWith(ben.agent))
    session?.socket?.send(
      `<iq xmlns='jabber:client' type='set' id='x' to='${jid}'><request xmlns='urn:kith:history:0' device='1' name='Ada’s laptop'/></iq>`
    )
    await until(() => answer !== '')
    expect(answer).toContain('forbidden')
    expect(await old.db.facts.where('name').startsWith(REQUEST).count()).toBe(0)
  })
})
