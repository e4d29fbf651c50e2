"""A name server that answers as the list says: several addresses for a name, or another one the next time."""

import socket
from ipaddress import ip_address
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """Serves A and AAAA on 127.0.0.1, port 53, for as long as the process lives."""

    def __init__(self, names: dict[str, list[str]], rebinding: dict[str, list[str]]) -> None:
        self._names = names
        self._rebinding = rebinding
        self._answered: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        Thread(target=self._serve, daemon=True).start()

    def forget(self) -> None:
        """The next question is the first."""
        self._answered.clear()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            self._socket.sendto(self._answer(dns.message.from_wire(question)).to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        addresses = self._names.get(name)
        if name in self._rebinding:
            # The system's resolver asks for A and AAAA at once: both questions together are one time.
            count = self._answered[name] = self._answered.get(name, 0) + 1
            row = self._rebinding[name]
            addresses = [row[min((count - 1) // 2, len(row) - 1)]]
        if addresses is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(asked.rdtype)
        found = [address for address in addresses if ip_address(address).version == version]
        if found:
            answer.answer.append(dns.rrset.from_text(asked.name, 0, "IN", asked.rdtype, *found))
        return answer
