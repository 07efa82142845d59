// In the page: gives the account a chat with so many messages, as the app keeps them, and returns its address.
// `chat`: a contact that there is already; else one is made up.
async (count, chat) => {
  const name = (await indexedDB.databases()).map((one) => one.name).find((one) => one.startsWith('kith '));
  const opening = indexedDB.open(name);
  await new Promise((done) => (opening.onsuccess = done));
  const database = opening.result;
  const me = name.slice(5);
  const made = chat === undefined;
  chat ??= '+15550100@localhost';
  const now = Date.now();
  const order = (at) => Math.floor(at).toString(16).padStart(11, '0') + '00000';
  const work = database.transaction(['chats', 'contacts', 'messages'], 'readwrite');
  let last;
  for (let number = 0; number < count; number++) {
    const at = now - (count - number) * 240_000;
    const mine = number % 3 === 0;
    const id = `id-${number}`;
    const key = mine ? `${chat} ${id}` : `${chat} ${chat}/${id}`;
    last = {
      key, chat, at, id, mine, order: order(at), from: mine ? me : chat, kind: 'text', progress: 'read',
      text: `Message ${number} ` + 'with some words '.repeat(number % 7),
      reactions: number % 11 === 0 ? { [me]: ['👍'] } : {}, encrypted: true
    };
    work.objectStore('messages').put(last);
  }
  if (made) work.objectStore('contacts').put({
    address: chat, name: 'Endless', nick: '', about: '', picture: '', subscription: 'none', asked: false,
    asks: false, inRoster: false, blocked: false
  });
  work.objectStore('chats').put({
    address: chat, at: last.at, last: last.key, order: last.order, unread: 0, firstUnread: '', firstOrder: '',
    readTo: last.order, seenTo: last.order, mutedUntil: 0, pinned: 0, archived: false, draft: '', disappears: 0
  });
  await new Promise((done) => (work.oncomplete = done));
  database.close();
  return chat;
}
