package cli

import (
	"bytes"
	"fmt"
	"strconv"

	"redoubt/internal/cluster"
)

// networkPage is the page of the reference with what listens.
const networkPage = "network.md"

// network prints the table of listeners.
func network() []byte {
	var b bytes.Buffer
	b.WriteString("# What listens\n\nNothing of a node listens beyond this table; it is made from the program, and the tests compare it with what a running node has open. " +
		"Services that a node runs for others listen on addresses of their own and are not in it.\n\n")
	b.WriteString("| what | where | when | who connects | what he has to prove | bounds |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, l := range cluster.Listeners() {
		where := l.Network
		if l.Port > 0 {
			where += " " + strconv.Itoa(l.Port)
		}
		fmt.Fprintf(&b, "| %s | %s, %s | %s | %s | %s | %s |\n", l.Name, where, l.Address, l.When, l.From, l.Proof, l.Bounds)
	}
	b.WriteString("\nA packet filter in front of a node has to let the nodes reach each other's udp 7400 on the interconnects and tcp 7401 to 7403 on the private network, machines that join and remote users tcp 7401, and nothing else; with a quorum server that is on no interconnect, also udp 7400 and tcp 7401 to 7403 between its public address and those of the nodes.\n")
	return b.Bytes()
}
