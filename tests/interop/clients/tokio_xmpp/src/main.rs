// Logs in with tokio-xmpp and says under which address: jid, password, host:port.
use futures::StreamExt;
use std::{env, process::exit, time::Duration};
use tokio_xmpp::{connect::{DnsConfig, StartTlsServerConnector}, xmlstream::Timeouts, Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let jid: tokio_xmpp::jid::Jid = arguments[1].parse().expect("an address");
    let connector = StartTlsServerConnector(DnsConfig::Addr { addr: arguments[3].clone() });
    let mut client = Client::new_with_connector(jid, arguments[2].clone(), connector, Timeouts::default());
    let event = tokio::time::timeout(Duration::from_secs(20), client.next()).await;
    match event {
        Ok(Some(Event::Online { bound_jid, .. })) => println!("{bound_jid}"),
        other => {
            eprintln!("{other:?}");
            exit(1);
        }
    }
}
