/**
 * The rooms of `src/`, from the ground up: what each may import, types included. ESLint holds it (`eslint.config.js`), and that
 * nothing imports itself by a detour is held by dependency-cruiser (`.dependency-cruiser.js`). What the rooms are for is said in
 * docs/web.md.
 */
const SCREENS_KNOW = ['parts', 'strings', 'start', 'sync', 'media', 'history', 'crypto', 'local']

export const ROOMS = {
  local: [],
  crypto: ['local'],
  history: ['crypto', 'local'],
  xmpp: ['crypto', 'local'],
  media: ['local'],
  calls: ['xmpp', 'crypto', 'local'],
  sync: ['calls', 'xmpp', 'history', 'media', 'crypto', 'local'],
  start: ['local'],
  strings: [],
  parts: SCREENS_KNOW.slice(1),
  chats: SCREENS_KNOW,
  attachments: SCREENS_KNOW,
  chat: ['attachments', 'calling', ...SCREENS_KNOW],
  groups: SCREENS_KNOW,
  calling: ['calls', ...SCREENS_KNOW],
  status: SCREENS_KNOW,
  screens: ['attachments', 'calling', 'chat', 'chats', 'groups', 'status', ...SCREENS_KNOW],
  admin: ['parts', 'strings', 'start', 'local', 'styles'],
  styles: []
}

/** Rooms that are drawn, and the only files of the rooms below that these know. */
export const DRAWN = ['parts', 'chats', 'attachments', 'chat', 'groups', 'calling', 'status', 'screens']
export const DOORS = {
  sync: ['./app.ts'],
  crypto: ['./crypto.ts', './trust-transfer.ts'],
  history: ['./phrase.ts', './requests.ts', './transfer.ts', './backup.ts']
}

/** For `import-x/no-restricted-paths`. */
export const ZONES = [
  ...Object.entries(ROOMS).map(([room, known]) => ({
    target: `./src/${room}`,
    from: './src',
    except: [room, ...known].map((one) => `./${one}`),
    message: `${room}/ may import ${known.join(', ') || 'no other room'}: see rooms.js.`
  })),
  ...Object.entries(DOORS).map(([room, except]) => ({
    target: DRAWN.map((one) => `./src/${one}`),
    from: `./src/${room}`,
    except,
    message: `What is drawn knows of ${room}/ only ${except.join(', ')}: see rooms.js.`
  }))
]
