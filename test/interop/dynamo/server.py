"""moto's DynamoDB on a free port of the loopback, which is printed.

One request after another: moto compares and writes in two steps, where DynamoDB orders the writes
to one item.
"""

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


application = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, application, threaded=False, request_handler=QuietHandler)
print(server.server_port, flush=True)
server.serve_forever()
