/** A camera: H.264 at 25 frames a second, by GStreamer's RTSP server. Its words: address, and the UDP ports it may send from, if they matter. */
export const CAMERA = `
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address(sys.argv[1]); server.set_service("8554")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 )")
if len(sys.argv) > 2:
    first, last = map(int, sys.argv[2].split("-"))
    pool = GstRtspServer.RTSPAddressPool.new(); pool.add_range(sys.argv[1], sys.argv[1], first, last, 0)
    factory.set_address_pool(pool)
server.get_mount_points().add_factory("/cam", factory); server.attach(None)
print("camera ready", flush=True)
GLib.MainLoop().run()
`;

export const CAMERA_PACKAGES = [
  "ffmpeg",
  "python3-gi",
  "gir1.2-gst-rtsp-server-1.0",
  "gstreamer1.0-plugins-base",
  "gstreamer1.0-plugins-good",
  "gstreamer1.0-plugins-ugly",
];
