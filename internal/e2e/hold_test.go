package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hold is the client with long connections: it opens so many, asks by each again and again until the file flag appears, and prints how each fared.
func hold(address, connections, flag string) {
	n, err := strconv.Atoi(connections)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fates := make([]string, n)
	var open, done sync.WaitGroup
	open.Add(n)
	done.Add(n)
	for i := range n {
		go func() {
			defer done.Done()
			fates[i] = holdOne(address, flag, open.Done)
		}()
	}
	open.Wait()
	if err := os.WriteFile(flag+".ready", nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	done.Wait()
	fmt.Println(strings.Join(fates, "\n"))
	os.Exit(0)
}

// holdOne is one connection; opened is called once when it has its first answer, or will never have one.
func holdOne(address, flag string, opened func()) string {
	dials := 0
	c := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxConnsPerHost: 1, Dial: func(network, to string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, fmt.Errorf("the connection was lost")
		}
		return net.DialTimeout(network, to, 5*time.Second)
	}}}
	who := "nobody"
	ask := func() error {
		r, err := c.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if now := strings.TrimSpace(string(b)); who == "nobody" {
			who = now
		} else if err == nil && now != who {
			err = fmt.Errorf("%s answers", now)
		}
		return err
	}
	err := ask()
	opened()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		if _, gone := os.Stat(flag); gone == nil {
			return who + " ok"
		}
		<-tick.C
		err = ask()
	}
	return who + " broken " + err.Error()
}
