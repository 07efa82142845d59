/** Who is in which groups. */
import type { Database } from './database'
import type { Address, Affiliation, Group, Member } from './types'

/** The groups that I and somebody else are in. */
export async function commonGroups(db: Database, me: Address, other: Address): Promise<Address[]> {
  const theirs = await db.members.where('jid').equals(other).toArray()
  if (!theirs.length) return []
  const groups = await db.groups.bulkGet(theirs.map(({ group }) => group))
  return theirs
    .filter(({ invited }, at) => {
      const group = groups[at]
      return !invited && other !== me && group && group.affiliation !== 'none' && !group.invited
    })
    .map(({ group }) => group)
}

/** Whether it is that of somebody in the group, or invited to it. */
export function isIn(affiliation: Affiliation): boolean {
  return affiliation === 'owner' || affiliation === 'admin' || affiliation === 'member'
}

export function isMember({ affiliation, invited }: Group): boolean {
  return !invited && isIn(affiliation)
}

export function isAdmin({ affiliation }: Pick<Member, 'affiliation'>): boolean {
  return affiliation === 'owner' || affiliation === 'admin'
}

export function mayWrite(group: Group): boolean {
  return isMember(group) && (!group.settings.announce || isAdmin(group))
}

/** Whether I may do something for which a group has a circle: add people, change name and description. */
export function mayDo(group: Group, what: 'invite' | 'change'): boolean {
  return isMember(group) && (group.settings[what] === 'members' || isAdmin(group))
}
