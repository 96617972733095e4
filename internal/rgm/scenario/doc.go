// Package scenario is what the placement of groups has to do, told as stories: files under testdata say where groups run, what happens, and where
// everything is expected afterwards. A runner drives package order with simulated executors from event to event and watches at every step
// of the way that nothing runs which may not.
//
// # The files
//
//	title: A web server follows its database
//	nodes: {n1: mem@8:10, n2: mem@8:10}       # the node's Load_limits; nothing: none
//	cluster: {concentrate_load: true}         # properties of the cluster
//	groups:                                   # properties in the notation of `redoubt group create -p`; Nodelist is all nodes unless set
//	  db: {Load_factors: mem@4}
//	  web: {RG_affinities: ++db, Priority: 300}
//	resources:                                # if it matters what they wait for; they start with their group
//	  web-rs: {group: web, needs: "db-rs{LOCAL_NODE}"}
//	running: {db: n1, web: n1}                # groups that are not named were never brought online
//	events:
//	  - event: node n1 dies
//	    expect: {db: n2, web: n2}             # everywhere else nothing has changed
//	  - event: [node n1 joins, group switch -n n1 db]  # at once
//	    expect: {db: n1, web: n1}
//	    why: {web: {n1: with-target}}         # reasons for and against nodes, when it was decided or afterwards; "": for being offline
//
// A group is expected on a node, on [several, nodes], or offline; reasons that its notes have to name follow in brackets: offline (no-room). blocked stands for a group
// that waits for one of its RG_dependencies, or because a resource in it waits for one of another group.
//
// # Events
//
//	node N dies              its groups may start elsewhere when it is certain that it runs nothing any more: it is lost, then fenced
//	node N is lost           and nothing is certain yet
//	node N is fenced
//	node N joins             in a new life
//	the cluster starts anew  all nodes at once
//	the president changes    the next one knows what is in the repository
//	5m passes
//	G fails to start on N    from now on; with "G starts on N again" no more
//	G gives N up             a monitor asks for another node; "and M refuses" when a Monitor_check was against M
//	G fails to stop on N     from now on; "G is cleared on N" when an administrator has seen to it
//	group online G, offline, switch, remaster, restart, suspend, resume, manage, unmanage, create, delete, set; -n N,N names nodes, P=V sets properties
//	node evacuate N, node set N P=V
//	cluster set P=V
package scenario
