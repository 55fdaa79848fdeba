"""An SMTP server (aiosmtpd) that writes each mail which it takes as a line of JSON. Its options are the JSON of its one argument."""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


class Inbox:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        refusal = options["refuse"].get(address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(options["delay"] / 1000)
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode("utf8", "replace"),
            "secured": server.transport.get_extra_info("ssl_object") is not None,
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    known = mechanism in ("PLAIN", "LOGIN") and (data.login.decode(), data.password.decode()) == (options["user"], options["password"])
    return AuthResult(success=known, handled=False)


def protocol(context):
    return SMTP(
        Inbox(),
        hostname="smtp.test",
        enable_SMTPUTF8=True,
        tls_context=context if options["security"] == "starttls" else None,
        require_starttls=options["security"] == "starttls",
        authenticator=authenticate if options["user"] else None,
        auth_required=bool(options["user"]),
        auth_require_tls=options["security"] == "starttls",
    )


async def serve():
    context = None
    if options["security"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    loop = asyncio.get_running_loop()
    outer = context if options["security"] == "tls" else None
    server = await loop.create_server(lambda: protocol(context), "127.0.0.1", options["port"], ssl=outer)
    async with server:
        await server.serve_forever()


asyncio.run(serve())
