// Package sim runs whole clusters in virtual time: the membership machine, the planner and the life of groups of every node, over a network, a repository,
// guards and methods that are models, with faults drawn from a seed. One goroutine, no real time: a run is a function of its seed, so that a run that breaks an
// invariant can be repeated as often as it takes to understand it.
//
// The machines are the real ones (membership.Machine, order.Plan, engine.BuildState, engine.NextStep, life.Group); the loops of package engine around
// them are modelled here, because they decide nothing.
//
// # The invariants
//
// I1: a group runs on at most Maximum_primaries machines. I2: nothing runs beyond the end of its machine's lease and the guard's reaction. I3: the membership record changes by
// compare-and-swap only. I4: resources start and stop in the order of their dependencies. I5: a start is decided with a current lease, on the newest assignment known. I6: a node is made a
// target only where affinities and hard limits allow it, beside what still leaves. S1: at most one machine is found by a shared address, and that one has rules for it. S2: in a cluster at rest every
// slot of a scalable service is with a living instance. S3: a connection of an instance that lives stays with it, as far as the holder of the address could know of it. I7: of a group of which quiesce has said that it is at
// rest no method begins in a life of a node that there was, and it is ordered nowhere else, until it is resumed or somebody asks for something of it, but for a node that leaves; a group that waits for another goes
// on when that comes; a quiesce ends, and nothing stays suspended by one that is over; what administrators say of a suspension no quiesce changes. And once all faults have stopped, the cluster comes to rest with every group in its place.
//
// # The rules of the model
//
//   - Time. World.now is true time, which nobody can read. Each node has a clock of its own with an offset and a constant rate within half of
//     cluster.DriftPerMille of the true one, so that two nodes differ by at most DriftPerMille, and a wall clock that is wrong by up to half a second.
//   - Network. Messages go out on every path; each copy is lost, delayed, doubled or overtaken by itself. Cuts are per path and direction. The
//     repository speaks over the same paths: two nodes reach each other when some path works in both directions.
//   - Repository. One log. A write is applied when a leader has a majority of the seats within reach; an election after the loss of a leader
//     pauses it, and takes the longest log of a majority within reach: what only a minority has is lost. An answer can be lost after the write, a write can come long after its
//     writer gave up. What a node sees of the log lags, separately for the record and for everything else.
//   - Guard. It fires when the lease ends on its node's clock, when the daemon dies unannounced, or when told to; everything that runs is gone within cluster.GuardReaction of the
//     end of the lease. If the guard dies the kernel ends what runs, at once. Kernel addresses that outlive a double fault are not modelled: what runs are processes.
//   - Freezing a daemon leaves guard and services running. Freezing a node stops all three: nothing is served meanwhile, and what is on the node does not count as
//     running from the end of its lease on. When it thaws with an ended lease the guard fires first, within GuardReaction of the thaw; that window is the
//     one that fence agents and watchdogs are for, and does not count, unless the nodes have fence agents (Options.Fence): then what is on a frozen machine counts as
//     running until the machine is switched off or its guard has acted, so that I1 says: no takeover before proof or confirmation.
//   - A fence agent switches a machine off and says so later; or fails, having done so or not. It works on when its daemon dies.
//   - The network of the clients always works, and a packet is at its end at once. Clients send to the machine that announced the shared address last; what comes there is handed
//     on by the plane that package balance makes of what that node knows, and by what its kernel remembers. Rules outlive daemons and end with the machine; the address ends with
//     the guard. A machine that boots while clients still send to it gets nothing of that: real ones take longer to boot than an address to be elsewhere.
//   - A resource runs from the moment its first start method is launched until End (or Postnet_stop where there is one) has succeeded, or until the
//     guard has killed it. A failed start may leave something running; so may a failed stop.
package sim
