/**
 * What people compare to verify each other: keys, safety numbers and codes (`safety.ts`), made from all devices of
 * both.
 */
import type { Address } from '../local/types'
import type { Bytes } from '../local/bytes'
import { NobodyCanRead, type Fingerprint } from './crypto'
import { fingerprint, type Devices } from './devices'
import type { Own } from './own-device'
import * as safety from './safety'
import type { Encrypting } from './encrypting'

/** How many digests are cached. */
const MAX_DIGESTS = 16

/** The digests of both, and their devices whose keys are included and not distrusted. */
interface Sides {
  mine: Bytes
  theirs: Bytes
  devices: number[]
}

export class Comparing {
  private readonly digests = new Map<string, Promise<Bytes>>()

  constructor(
    private readonly me: Address,
    private readonly own: Own,
    private readonly devices: Devices,
    private readonly encrypting: Encrypting
  ) {}

  async fingerprints(account: Address): Promise<Fingerprint[]> {
    await this.learn(account).catch(() => undefined) // offline: unchanged
    const own = await this.own.get()
    const known = (await this.devices.all(account)).map(
      ({ device, fingerprint, trust, active }): Fingerprint => ({
        account,
        device,
        fingerprint,
        trust,
        active
      })
    )
    if (account !== this.me || own === undefined) return known
    const ownDevice: Fingerprint = {
      account,
      device: own.device,
      fingerprint: fingerprint(new Uint8Array(own.identity.pubKey)),
      trust: 'verified',
      active: true,
      own: true
    }
    return [ownDevice, ...known]
  }

  async safetyNumber(account: Address): Promise<string> {
    const { mine, theirs } = await this.sides(account)
    return safety.digits(mine, theirs)
  }

  async safetyCode(account: Address): Promise<string> {
    const { mine, theirs } = await this.sides(account)
    return safety.code(mine, theirs)
  }

  async compareCode(account: Address, scanned: string): Promise<boolean> {
    if (!safety.isCode(scanned)) return false
    const { mine, theirs, devices } = await this.sides(account)
    if (!safety.matches(mine, theirs, scanned)) return false
    for (const device of devices) await this.devices.decide(account, device, 'verified')
    return true
  }

  async deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }> {
    const own = await this.own.keys()
    await this.learn(this.me).catch(() => undefined) // offline: unchanged
    const identity = await this.devices.identity(this.me, device)
    if (identity === undefined || device === own.device) throw new RangeError(`no known device ${device}`)
    const mine = await this.digest(this.me, [new Uint8Array(own.identity.pubKey)])
    const digits = safety.digits(mine, await this.digest(this.me, [identity]))
    return { digits, fingerprint: fingerprint(identity) }
  }

  /** Fetches the keys of existing devices that are not known yet. Rejects without a connection. */
  async learn(account: Address): Promise<void> {
    const own = await this.own.get()
    for (const device of await this.devices.active(account)) {
      if (account === this.me && device === own?.device) continue
      if ((await this.devices.identity(account, device)) !== undefined || own === undefined) continue
      await this.encrypting.renew(own, account, device)
    }
  }

  private async sides(account: Address): Promise<Sides> {
    const own = await this.own.keys()
    const offline = (): undefined => undefined
    await Promise.all([this.learn(account).catch(offline), this.learn(this.me).catch(offline)])
    const here = async (whose: Address): Promise<Awaited<ReturnType<Devices['all']>>> =>
      (await this.devices.all(whose)).filter(({ active }) => active)
    const [others, theirs] = [await here(this.me), await here(account)]
    if (theirs.length === 0) throw new NobodyCanRead(`${account} has no device`)
    const keys = [new Uint8Array(own.identity.pubKey), ...others.map(({ identity }) => identity)]
    const theirKeys = theirs.map(({ identity }) => identity)
    return {
      mine: await this.digest(this.me, keys),
      theirs: await this.digest(account, theirKeys),
      devices: theirs.filter(({ trust }) => trust !== 'distrusted').map(({ device }) => device)
    }
  }

  /** The digest of an account. Computing it takes a quarter of a second, so the latest ones are cached. */
  private digest(account: Address, keys: Bytes[]): Promise<Bytes> {
    const name = [account, ...keys.map(fingerprint).sort()].join(' ')
    const known = this.digests.get(name) ?? safety.digest(account, keys)
    if (this.digests.size >= MAX_DIGESTS) this.digests.clear()
    this.digests.set(name, known)
    return known
  }
}
