// A client of Kubernetes' own library: it asks an API server for what controllers, operators and command lines ask, and prints the
// answers, line by line. Whatever differs by nature (UIDs, versions, times, addresses) is left out, so that two servers can be compared.
//
//	client_go KUBECONFIG [SCENARIO...]
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const limit = 60 * time.Second

// A scenario has a namespace of its own.
type scenario struct {
	name string
	run  func(*world)
}

var scenarios = []scenario{
	{"typed as JSON", func(w *world) { typed(w, "application/json") }},
	{"typed as protobuf", func(w *world) { typed(w, "application/vnd.kubernetes.protobuf") }},
	{"conflicts", conflicts},
	{"patches", patches},
	{"apply", apply},
	{"deletion", deletion},
	{"selectors", selectors},
	{"pages", pages},
	{"watches", watches},
	{"informers of JSON", func(w *world) { informed(w, "application/json") }},
	{"informers of protobuf", func(w *world) { informed(w, "application/vnd.kubernetes.protobuf") }},
	{"reflector", reflector},
	{"custom kind", custom},
	{"metadata alone", metadataAlone},
	{"discovery", discover},
	{"openapi", openAPI},
	{"tables", tables},
	{"scale", scales},
	{"subresources", subresources},
	{"access", access},
	{"leader", leader},
	{"events", recorded},
	{"manager", managed},
	{"streams", streams},
}

// world is what a scenario works with.
type world struct {
	context.Context
	config    *rest.Config
	client    *kubernetes.Clientset
	dynamic   *dynamic.DynamicClient
	namespace string
}

func main() {
	if os.Getenv("FOREIGN_LOG") == "" {
		klog.SetLogger(logr.Discard())
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must(err)
	config.QPS, config.Burst = 1000, 1000
	for number, each := range scenarios {
		if len(os.Args) > 2 && !slices.Contains(os.Args[2:], each.name) {
			continue
		}
		fmt.Printf("== %s\n", each.name)
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		w := &world{ctx, config, kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config), fmt.Sprintf("foreign-%d", number)}
		_, err := w.client.CoreV1().Namespaces().Create(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
		must(err)
		w.until("service account", func() bool {
			_, err := w.client.CoreV1().ServiceAccounts(w.namespace).Get(w, "default", metav1.GetOptions{})
			return err == nil
		})
		each.run(w)
		must(w.client.CoreV1().Namespaces().Delete(w, w.namespace, metav1.DeleteOptions{}))
		cancel()
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// until asks until the answer is yes; it says so if that takes too long.
func (w *world) until(what string, asked func() bool) {
	for !asked() {
		if w.Err() != nil {
			fmt.Printf("not in time: %s\n", what)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// say prints what was asked and what came: an object, or the refusal.
func say(what string, found any, err error) {
	if err == nil {
		fmt.Printf("%s: %s\n", what, plain(found))
	} else if status, ok := err.(errors.APIStatus); ok {
		s := status.Status()
		fmt.Printf("%s: refused %d %s: %s %s\n", what, s.Code, s.Reason, hide(s.Message), plain(s.Details))
	} else {
		fmt.Printf("%s: error %s\n", what, hide(err.Error()))
	}
}
