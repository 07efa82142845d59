// Writes and reads chat messages with tokio-xmpp: jid, password, host:port, a file that is not used, peer.
//
// Each line of standard input is sent to the peer. It says "online JID" after each login ("resumed JID" if the
// session was resumed), and "message TEXT" for each message. It ends with standard input.
use futures::StreamExt;
use std::{env, process::exit, time::Duration};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_xmpp::connect::{DnsConfig, StartTlsServerConnector};
use tokio_xmpp::parsers::message::{Lang, Message, MessageType};
use tokio_xmpp::parsers::presence::{Presence, Type};
use tokio_xmpp::{jid::Jid, xmlstream::Timeouts, Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let jid: Jid = arguments[1].parse().expect("an address");
    let peer: Jid = arguments[5].parse().expect("an address");
    let connector = StartTlsServerConnector(DnsConfig::Addr { addr: arguments[3].clone() });
    let mut client = Client::new_with_connector(jid, arguments[2].clone(), connector, Timeouts::default());
    match tokio::time::timeout(Duration::from_secs(20), client.next()).await {
        Ok(Some(event)) => handle(&mut client, event).await,
        other => {
            eprintln!("{other:?}");
            exit(1);
        }
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line.expect("lines of text") {
                None => exit(0),
                Some(text) => {
                    let mut message = Message::new(Some(peer.clone()));
                    message.type_ = MessageType::Chat;
                    message.bodies.insert(Lang::default(), text);
                    client.send_stanza(message.into()).await.expect("to send");
                }
            },
            event = client.next() => handle(&mut client, event.expect("a connection")).await,
        }
    }
}

async fn handle(client: &mut Client, event: Event) {
    match event {
        Event::Online { bound_jid, resumed, .. } => {
            if !resumed {
                client.send_stanza(Presence::new(Type::None).into()).await.expect("to send");
            }
            println!("{} {bound_jid}", if resumed { "resumed" } else { "online" });
        }
        Event::Stanza(stanza) => {
            if let Ok(message) = Message::try_from(stanza) {
                if let Some(body) = message.bodies.values().next() {
                    println!("message {body}");
                }
            }
        }
        other => eprintln!("{other:?}"),
    }
}
