-- Answers Prosody's questions for names from its configuration instead of asking a name server.
local adns = require "net.adns";
local ports = module:get_option("test_names", {});

local resolver = {};
function resolver:lookup(done, name, kind)
	local domain = name:gsub("%.$", "");
	local service = domain:match("^_xmpp%-server%._tcp%.(.+)$");
	if kind == "SRV" and service and ports[service] then
		done({ { srv = { target = service, port = ports[service], priority = 0, weight = 5 } } });
	elseif kind == "A" and ports[domain] then
		done({ { a = "127.0.0.1" } });
	else
		done(nil);
	end
end

function adns.resolver()
	return resolver;
end
