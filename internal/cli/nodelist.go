package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	v1 "redoubt/api/v1"
)

// nodeList lists the names of nodes; for people who want more (-v) with their numbers, states and addresses.
func nodeList(c *cobra.Command, e Env, call Call, _ []string) error {
	form, err := format(c)
	if err != nil {
		return err
	}
	if verbose, _ := c.Flags().GetBool("verbose"); !verbose || form != "table" {
		return carryOut(c, e, call)
	}
	client, err := e.daemon(c)
	if err != nil {
		return err
	}
	nodes, err := ask[[]v1.Node](c.Context(), client, Call{Noun: "node", Verb: "show", Read: true, Body: call.Body})
	if err != nil {
		return err
	}
	states, err := ask[[]v1.NodeState](c.Context(), client, Call{Noun: "node", Verb: "status", Read: true, Body: call.Body})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(e.Stdout, e.look().nodeList(nodes, states))
	return err
}

func (l look) nodeList(nodes []v1.Node, states []v1.NodeState) string {
	var rows [][]string
	for _, n := range nodes {
		state := "-"
		if i := slices.IndexFunc(states, func(s v1.NodeState) bool { return s.Name == n.Name }); i >= 0 {
			state = l.paint(meaning(states[i].State), stateOfNode(states[i]))
		}
		addresses := strings.Join(n.Addresses, ", ")
		if addresses == "" && n.PublicAddress != "" {
			addresses = "none; public " + n.PublicAddress
		}
		rows = append(rows, []string{n.Name, strconv.Itoa(n.ID), state, n.Host, n.PrivateAddress, addresses})
	}
	return l.grid("", []string{"Node Name", "Id", "Status", "Host", "Private Address", "Interconnect Addresses"}, rows)
}
