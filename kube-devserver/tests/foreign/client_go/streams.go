package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
)

const script = `import http.server; print("ready", flush=True); http.server.HTTPServer(("", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()`

// streams: logs, commands and ports of a pod that runs, over WebSockets and SPDY.
func streams(w *world) {
	pods := w.client.CoreV1().Pods(w.namespace)
	body := pod("a")
	body.Spec.NodeSelector = nil
	body.Spec.Containers[0].Command = []string{"sh", "-c", "echo one; echo two; exec sleep 1000"}
	_, err := pods.Create(w, body, metav1.CreateOptions{})
	must(err)
	w.until("running", func() bool {
		found, err := pods.Get(w, "a", metav1.GetOptions{})
		must(err)
		return found.Status.Phase == corev1.PodRunning
	})
	logs(w)
	for _, over := range []string{"WebSocket", "SPDY"} {
		for _, command := range [][]string{{"echo", "hello"}, {"sh", "-c", "cat; echo problem >&2"}, {"sh", "-c", "exit 3"}, {"no-such-command"}} {
			out, problem, err := executed(w, over, command)
			fmt.Printf("%s %v: %q %q %v\n", over, command, out, problem, err != nil)
			if code, ok := err.(interface{ ExitStatus() int }); ok {
				fmt.Printf("exit code %d: %v\n", code.ExitStatus(), err)
			}
		}
		forwarded(w, over)
	}
	_, _, err = executed(w, "WebSocket", []string{})
	say("no command", nil, err)
}

func logs(w *world) {
	lines, none := int64(1), int64(0)
	for _, each := range []corev1.PodLogOptions{{}, {TailLines: &lines}, {TailLines: &none}, {LimitBytes: &lines}, {Container: "none"}, {Previous: true}, {SinceSeconds: &none}} {
		text, err := w.client.CoreV1().Pods(w.namespace).GetLogs("a", &each).DoRaw(w)
		say("log "+plain(each), string(text), err)
	}
	stopped, stop := context.WithCancel(w)
	stream, err := w.client.CoreV1().Pods(w.namespace).GetLogs("a", &corev1.PodLogOptions{Follow: true}).Stream(stopped)
	must(err)
	first, err := bufio.NewReader(stream).ReadString('\n')
	must(err)
	fmt.Printf("followed: %v\n", first == "one\n")
	stop()
	_, err = w.client.CoreV1().Pods(w.namespace).GetLogs("none", &corev1.PodLogOptions{}).DoRaw(w)
	say("log of none", nil, err)
}

func (w *world) path(subresource string) *url.URL {
	return w.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("a").SubResource(subresource).URL()
}

func executed(w *world, over string, command []string) (string, string, error) {
	request := w.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("a").SubResource("exec")
	request.VersionedParams(&corev1.PodExecOptions{Command: command, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(w.config, "POST", request.URL())
	if over == "WebSocket" {
		executor, err = remotecommand.NewWebSocketExecutor(w.config, "GET", request.URL().String())
	}
	must(err)
	var out, problem bytes.Buffer
	err = executor.StreamWithContext(w, remotecommand.StreamOptions{Stdin: strings.NewReader("input"), Stdout: &out, Stderr: &problem})
	return out.String(), problem.String(), err
}

func forwarded(w *world, over string) {
	var dialer httpstream.Dialer
	if over == "WebSocket" {
		tunnel, err := portforward.NewSPDYOverWebsocketDialer(w.path("portforward"), w.config)
		must(err)
		dialer = tunnel
	} else {
		transport, upgrader, err := spdy.RoundTripperFor(w.config)
		must(err)
		dialer = spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", w.path("portforward"))
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.New(dialer, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
	must(err)
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		say("forward", nil, err)
		return
	}
	ports, err := forwarder.GetPorts()
	must(err)
	reply, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err != nil {
		fmt.Printf("%s: nothing answers\n", over)
	} else {
		fmt.Printf("%s: %d\n", over, reply.StatusCode)
	}
	close(stop)
	<-ended
}
